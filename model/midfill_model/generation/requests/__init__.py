"""What each engine of ours is asked and answers: requests, prompts, the text that is shown. No torch."""
