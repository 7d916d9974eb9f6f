"""Judgements over sites, one file per rule."""
