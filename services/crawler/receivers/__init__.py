"""What the operator chose to be told or asked, over HTTP: sinks and a gallery's search."""
