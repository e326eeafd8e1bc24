"""What every chapter needs: errors, argument checks, parameters, random streams, observers of passes, files."""
