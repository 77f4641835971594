"""The model services as the crawler asks them: values of the domain in and out."""
