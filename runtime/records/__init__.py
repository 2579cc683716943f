"""What run folders record: read, judged, listed, and matched against each other. Imports no torch."""
