"""Files: fetched with limits, known by their content, kept in a folder or at an S3 service. Knows no database."""
