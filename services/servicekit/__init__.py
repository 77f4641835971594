"""What the four services share: settings, server, errors, images, batching and inference."""
