"""Drawn pictures in SVG: the deployment, and its cost."""
