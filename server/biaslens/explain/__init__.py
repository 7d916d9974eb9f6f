"""Sentences, formulas and pictures about verdicts, for somebody who asks why."""
