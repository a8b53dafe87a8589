"""The course as a whole: its lessons, its command line, its text sources."""
