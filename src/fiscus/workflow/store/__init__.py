"""Where everything is kept: memory for tests, SQLite, PostgreSQL."""
