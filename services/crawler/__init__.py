"""The crawler service: sources to listings to candidates to judgements to kept images."""
