"""The deployment as one typed model: what it is, whether it can work, what it costs, and how it looks.

Pure: reads nothing but the data files of this package. The model exists twice, `as_documented` (the numbers of the
architecture document, to the letter) and `production` (corrected); a team's own variant is a YAML file of the same
schema. Manifests, infrastructure, the cost report and the pictures derive from it.
"""
