"""The servers behind `url`: what each one is, how it is spoken to, and how it fares."""
