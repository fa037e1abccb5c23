"""Who judges words and pictures: a local list of words, or OpenAI."""
