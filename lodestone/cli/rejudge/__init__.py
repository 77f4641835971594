"""`lodestone rejudge`: what is known, judged again."""
