"""Browser runs of the pages: real Chromium, a simulated ipernity, a daemon of its own (`make faces`)."""
