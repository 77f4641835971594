-- The crawler's role owns its database and is no superuser: those may read files and start programs.
-- Runs once, when the server makes its data folder.
\set password `cat /secrets/crawler-password`
CREATE ROLE crawler LOGIN PASSWORD :'password';
CREATE DATABASE lodestone OWNER crawler;
