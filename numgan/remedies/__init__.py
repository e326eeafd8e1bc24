"""What papers add to the game so that it trains: penalties, consensus, unrolling, noise, replay of old fakes."""
