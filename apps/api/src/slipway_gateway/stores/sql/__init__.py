"""The SQL product store: one set of SQLAlchemy Core statements, run group by group on a lane of its own.

``store`` implements the port by handing operations to lanes; ``submitting``, ``projecting``, ``cancelling``,
``leasing``, ``nodes`` and ``reading`` say what an operation does inside a transaction that is already open; ``ledger``
writes changes of jobs; ``sqlite`` is the only module that speaks to the driver.
"""
