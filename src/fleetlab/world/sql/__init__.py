"""The simulated PostgreSQL: SQL translated to SQLite, sessions, locks, and a dialect for SQLAlchemy."""
