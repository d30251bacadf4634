"""The rules, and nothing else: values in, a decision out, `now` an argument.

Standard library only. No module here reads a clock, a file, a socket or a setting, so that the
24-hour rule can be tested at 23:59:59 with nothing patched.
"""
