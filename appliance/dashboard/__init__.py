"""The vendor's side: manages appliances it can never look into. FastAPI, a small store, plain pages."""
