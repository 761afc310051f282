from .program import invoke as invoke
