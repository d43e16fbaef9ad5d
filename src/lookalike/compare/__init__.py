"""Tables side by side: what metrics and attacks share. Frames of plain columns, distances, learners, intervals."""
