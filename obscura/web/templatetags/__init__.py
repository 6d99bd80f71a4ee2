"""The words of our templates: figures and form controls."""
