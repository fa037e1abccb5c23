"""OpenAI's image models, and whatever server speaks as they do."""
