"""A nemesis: real processes on real servers, everything going wrong for a while, and the judgement afterwards.

python -m tests.nemesis --minutes 5 --seed 1 --site servers
"""
