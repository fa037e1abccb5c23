"""How the painter paints: pure drawing, run in the picture workers. A prompt becomes a brief, a brief a composition, a
composition frames, frames a file; equal commissions give equal bytes in every process."""
