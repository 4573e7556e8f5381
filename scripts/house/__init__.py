"""Sets up, starts and stops the house: Odoo, PostgreSQL, the link and what tests and benches need.

Python's standard library only, since it runs before anything is installed.
"""
