"""Sub-commands of ``celery -A worker``, registered by the ``celery.commands`` entry points of the project.

Every ``celery`` command loads all of these modules, so each imports what is heavy inside its command.
"""
