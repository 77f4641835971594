"""Photos under free licences to train and test a watermark detector with, out of packages that anyone can fetch."""
