"""The commands of `fleetlab`, one module a noun: each reads its arguments, calls the course, prints."""
