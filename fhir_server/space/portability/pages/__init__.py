"""The pages of portability: asking for one's data, and downloading them."""
