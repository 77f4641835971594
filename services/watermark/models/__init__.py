"""The services that the watermark service asks."""
