"""The releases that rehearse is tried with: good ones, and those that only real rows bring to light."""

from __future__ import annotations

from functools import cache

from fleetlab.world.migrations import ENV, Migrations

_FILE = '''
"""{title}"""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {down!r}


def upgrade():
    {up}


def downgrade():
    {back}
'''

ENVIRONMENT = ENV.replace("(connection=connection)", "(connection=connection, transaction_per_migration=True)")
"""Each revision commits for itself, as large ones have to: a release may stop half-way."""

_FIRST = (
    "Customers",
    """
    op.create_table(
        "customers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("email", sa.Text),
        sa.Column("fax", sa.Text, nullable=False, server_default=""),
    )
    """,
    """
    raise NotImplementedError("There is nothing before the first revision.")
    """,
)
_COUNTRY = (
    "A country for each customer",
    """
    op.add_column("customers", sa.Column("country", sa.Text, server_default="DE"))
    """,
    """
    op.drop_column("customers", "country")
    """,
)
_PHONE = (
    "A telephone number for each customer",
    """
    op.add_column("customers", sa.Column("phone", sa.Text))
    """,
    """
    op.drop_column("customers", "phone")
    """,
)
_LAST = {
    "index": (
        "Find a customer by email",
        """
    op.create_index("by_email", "customers", ["email"])
        """,
        """
    op.drop_index("by_email")
        """,
    ),
    "not null": (
        "Each customer has an email",
        """
    op.alter_column("customers", "fax", server_default="none")  # from here on the table is locked
    op.execute("SELECT pg_sleep(10)")  # as long as it takes to look at all rows
    op.alter_column("customers", "email", nullable=False)
        """,
        """
    op.alter_column("customers", "email", nullable=True)
    op.alter_column("customers", "fax", server_default="")
        """,
    ),
    "unique": (
        "One customer for each email",
        """
    op.create_index("one_email", "customers", ["email"], unique=True)
        """,
        """
    op.drop_index("one_email")
        """,
    ),
    "no fax": (
        "Nobody has a fax",
        """
    op.drop_column("customers", "fax")
        """,
        """
    op.add_column("customers", sa.Column("fax", sa.Text, nullable=False))
        """,
    ),
    "forgetful": (
        "A note for each customer",
        """
    op.add_column("customers", sa.Column("note", sa.Text))
        """,
        """
    pass  # a column more does no harm
        """,
    ),
    "renamed": (
        "It is called mail",
        """
    op.alter_column("customers", "email", new_column_name="mail")
        """,
        """
    op.alter_column("customers", "mail", new_column_name="email")
        """,
    ),
    "late": (
        "Each customer has an email",
        """
    op.execute("SELECT pg_sleep(0.5)")
    op.alter_column("customers", "email", nullable=False)
        """,
        """
    op.alter_column("customers", "email", nullable=True)
        """,
    ),
}
RELEASES = tuple(_LAST)


@cache
def release(name: str) -> Migrations:
    """Return the folder of a release: revision 0001, which production has, and 0002 to 0004, which are new."""
    made = Migrations()
    made.write("env.py", ENVIRONMENT)
    for number, (title, up, back) in enumerate((_FIRST, _COUNTRY, _PHONE, _LAST[name]), 1):
        down = f"{number - 1:04}" if number > 1 else None
        text = _FILE.format(title=title, number=f"{number:04}", down=down, up=up.strip("\n "), back=back.strip("\n "))
        made.write(f"{number:04}.py", text)
    return made
