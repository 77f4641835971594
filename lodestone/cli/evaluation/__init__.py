"""`lodestone watermark evaluate`: its tables, pictures and page."""
