"""What the gates say of one image, by the encoder, the detector and the profile that are served."""
