"""What every rehearsal leaves behind: a document, and the page that shows it."""
