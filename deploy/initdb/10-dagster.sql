-- Dagster's own storage, beside the catalogue's database. PostgreSQL's image runs this once, when its volume is empty.
CREATE DATABASE dagster;
