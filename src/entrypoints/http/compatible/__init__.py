"""What any client of OpenAI's image API can call, with its base URL changed."""
