"""What PostgreSQL's READ COMMITTED does, on the simulated database and on a real one: each truth written once."""

from __future__ import annotations

import datetime
from decimal import Decimal

import database_fixtures
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.orm.exc import StaleDataError

database_server, database_stage = database_fixtures.database_server, database_fixtures.database_stage
database_sim, database_fake = database_fixtures.database_sim, database_fixtures.database_fake
Stage = database_fixtures.Stage

SEATS = (
    "CREATE TABLE seats (id integer PRIMARY KEY, owner text, taken integer)",
    "INSERT INTO seats VALUES (7, 'eve', 0)",
)
READ = "SELECT taken FROM seats WHERE id = 7"
JOBS = (
    "CREATE TABLE jobs (id serial PRIMARY KEY, state text NOT NULL DEFAULT 'new')",
    "INSERT INTO jobs (state) VALUES ('new')",
)


def code(call: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the SQLSTATE of what was raised."""
    return call.value.orig.sqlstate  # type: ignore[attr-defined,no-any-return]


class TestIsolation:
    """Who sees what, and who waits for whom."""

    def test_lost_update(self, database_stage: Stage) -> None:
        """Two who read, add and write back lose one addition."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        seen = [actor.run(READ)[0][0] for actor in (ada, bob)]
        ada.run("UPDATE seats SET taken = :n WHERE id = 7", n=seen[0] + 1)
        ada.commit()
        bob.run("UPDATE seats SET taken = :n WHERE id = 7", n=seen[1] + 1)
        bob.commit()
        assert ada.run(READ) == [(1,)]

    @pytest.mark.parametrize("found", ["= (SELECT min(id)", "IN (SELECT id"])
    def test_subquery_keeps_what_it_found_before_the_wait(self, database_stage: Stage, found: str) -> None:
        """The row that was waited for is looked at again, the subquery that picked it is not: both take the seat."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        take = f"UPDATE seats SET taken = 1, owner = :me WHERE id {found} FROM seats WHERE taken = :free)"
        assert ada.run(take, me="ada", free=0) == 1
        second = bob.start(take, me="bob", free=0)
        assert second.waits
        ada.commit()
        assert second.result() == 1
        bob.commit()
        assert ada.run("SELECT owner FROM seats") == [("bob",)]

    def test_condition_beside_a_subquery_is_looked_at_again(self, database_stage: Stage) -> None:
        """What the statement itself says about the row holds for the row as it is after the wait."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        take = "UPDATE seats SET taken = 1 WHERE id = (SELECT min(id) FROM seats WHERE taken = 0) AND taken = 0"
        assert ada.run(take) == 1
        second = bob.start(take)
        ada.commit()
        assert second.result() == 0

    def test_atomic_update_loses_nothing(self, database_stage: Stage) -> None:
        """Two additions in one statement each are both kept: the second waits and starts from the first."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = taken + 1 WHERE id = 7")
        second = bob.start("UPDATE seats SET taken = taken + 1 WHERE id = 7")
        assert second.waits
        ada.commit()
        assert second.result() == 1
        bob.commit()
        assert ada.run(READ) == [(2,)]

    def test_reader_is_not_blocked_and_sees_the_old_row(self, database_stage: Stage) -> None:
        """While a write is open, a reader gets the last committed row at once."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        assert bob.run(READ) == [(0,)]
        assert ada.run(READ) == [(1,)]

    def test_each_statement_sees_what_is_committed_by_then(self, database_stage: Stage) -> None:
        """The same SELECT in one transaction returns another row after somebody's commit."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        assert bob.run(READ) == [(0,)]
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        ada.commit()
        assert bob.run(READ) == [(1,)]

    def test_condition_is_evaluated_again_after_the_wait(self, database_stage: Stage) -> None:
        """A conditional update that waited finds the row changed, and changes nothing."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        take = "UPDATE seats SET taken = 1, owner = :who WHERE id = 7 AND taken = 0"
        assert ada.run(take, who="ada") == 1
        second = bob.start(take, who="bob")
        assert second.waits
        ada.commit()
        assert second.result() == 0

    def test_condition_after_a_rollback(self, database_stage: Stage) -> None:
        """If the first update rolls back, the one that waited goes through."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        take = "UPDATE seats SET taken = 1 WHERE id = 7 AND taken = 0"
        ada.run(take)
        second = bob.start(take)
        ada.rollback()
        assert second.result() == 1

    def test_count_then_insert_lets_both_pass(self, database_stage: Stage) -> None:
        """Two who count first and insert afterwards both find room."""
        database_stage.setup("CREATE TABLE bookings (seat integer)")
        ada, bob = database_stage.actor(), database_stage.actor()
        for actor in (ada, bob):
            assert actor.run("SELECT count(*) FROM bookings WHERE seat = 7") == [(0,)]
        for actor in (ada, bob):
            actor.run("INSERT INTO bookings VALUES (7)")
            actor.commit()
        assert ada.run("SELECT count(*) FROM bookings") == [(2,)]

    def test_update_of_no_row_waits_for_nobody_and_locks_nothing(self, database_stage: Stage) -> None:
        """Update first, insert if nothing was there: two at once still make two rows."""
        database_stage.setup("CREATE TABLE carts (name text, items integer)")
        ada, bob = database_stage.actor(), database_stage.actor()
        for actor in (ada, bob):
            call = actor.start("UPDATE carts SET items = items + 1 WHERE name = 'eve'")
            assert not call.waits
            assert call.result() == 0
        for actor in (ada, bob):
            actor.run("INSERT INTO carts VALUES ('eve', 1)")
            actor.commit()
        assert ada.run("SELECT count(*) FROM carts") == [(2,)]

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE seats SET taken = :n",
            "UPDATE seats SET taken = :n RETURNING taken + :n",
            "UPDATE seats SET taken = :n WHERE id = :n + 5 RETURNING taken + :n",
            "DELETE FROM seats WHERE id = :n + 5 RETURNING id + :n",
        ],
    )
    def test_change_waits_wherever_its_parameters_stand(self, database_stage: Stage, change: str) -> None:
        """Before the condition, in it, after it, or without one."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1")
        second = bob.start(change, n=2)
        assert second.waits
        ada.commit()
        assert second.result()

    def test_update_that_matches_nothing_goes_past_an_open_write(self, database_stage: Stage) -> None:
        """A statement without a matching row returns at once, whatever others hold."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        call = bob.start("UPDATE seats SET taken = 1 WHERE id = 8 AND owner = :o RETURNING id, owner AS who", o="x")
        assert not call.waits
        assert call.result() == []
        assert bob.run("DELETE FROM seats WHERE id = 8") == 0


class TestLocks:
    """FOR UPDATE and its relatives."""

    def test_for_update_blocks_the_second_but_not_a_reader(self, database_stage: Stage) -> None:
        """A row that is locked for update can be read, not locked again."""
        database_stage.setup(*SEATS)
        ada, bob, eve = (database_stage.actor() for _ in range(3))
        assert ada.run(READ + " FOR UPDATE") == [(0,)]
        second = bob.start(READ + " FOR UPDATE")
        assert second.waits
        assert eve.run(READ) == [(0,)]
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        ada.commit()
        assert second.result() == [(1,)]

    def test_for_update_through_the_query_builder(self, database_stage: Stage) -> None:
        """`with_for_update()` locks as the text does."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        seats = sa.table("seats", sa.column("id"), sa.column("taken"))
        query = sa.select(seats.c.taken).where(seats.c.id == 7)
        assert ada.run(lambda c: c.scalar(query.with_for_update())) == 0
        assert bob.run(lambda c: c.execute(query.with_for_update(skip_locked=True)).all()) == []
        with pytest.raises(sa.exc.OperationalError):
            bob.run(lambda c: c.execute(query.with_for_update(nowait=True, of=seats)))

    def test_for_update_of_no_row_locks_nothing(self, database_stage: Stage) -> None:
        """Locking rows that are not there protects from nothing: both insert."""
        database_stage.setup("CREATE TABLE bookings (seat integer)")
        ada, bob = database_stage.actor(), database_stage.actor()
        for actor in (ada, bob):
            assert actor.run("SELECT seat FROM bookings WHERE seat = 7 FOR UPDATE") == []
        for actor in (ada, bob):
            actor.run("INSERT INTO bookings VALUES (7)")
            actor.commit()
        assert ada.run("SELECT count(*) FROM bookings") == [(2,)]

    def test_nowait_raises(self, database_stage: Stage) -> None:
        """NOWAIT fails at once on a locked row, and aborts the transaction."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(READ + " FOR UPDATE")
        with pytest.raises(sa.exc.OperationalError, match='could not obtain lock on row in relation "seats"') as call:
            bob.run(READ + " FOR UPDATE NOWAIT")
        assert code(call) == "55P03"
        with pytest.raises(sa.exc.InternalError):
            bob.run(READ)

    def test_skip_locked_finds_nothing(self, database_stage: Stage) -> None:
        """SKIP LOCKED passes over a locked row, in a query and in the job queue's update."""
        database_stage.setup(*JOBS)
        ada, bob = database_stage.actor(), database_stage.actor()
        take = (
            "UPDATE jobs SET state = 'taken' WHERE id = "
            "(SELECT id FROM jobs WHERE state = 'new' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, state"
        )
        assert ada.run(take) == [(1, "taken")]
        assert bob.run(take) == []
        assert bob.run("SELECT id FROM jobs FOR UPDATE SKIP LOCKED") == []
        ada.rollback()
        assert bob.run(take) == [(1, "taken")]

    def test_lock_timeout(self, database_stage: Stage) -> None:
        """`SET LOCAL lock_timeout` ends a wait with an error, and ends itself with the transaction."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(READ + " FOR UPDATE")
        bob.run("SET LOCAL lock_timeout = '400ms'")
        assert bob.run("SHOW lock_timeout") == [("400ms",)]
        with pytest.raises(sa.exc.OperationalError, match="canceling statement due to lock timeout") as call:
            bob.run("UPDATE seats SET taken = 1 WHERE id = 7")
        assert code(call) == "55P03"
        bob.rollback()
        assert bob.run("SHOW lock_timeout") == [("0",)]

    def test_statement_timeout(self, database_stage: Stage) -> None:
        """`statement_timeout` cancels a statement that waits."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(READ + " FOR UPDATE")
        bob.run("SET statement_timeout = 400")
        with pytest.raises(sa.exc.OperationalError, match="canceling statement due to statement timeout") as call:
            bob.run("UPDATE seats SET taken = 1 WHERE id = 7")
        assert code(call) == "57014"

    def test_setting_is_undone_by_a_rollback(self, database_stage: Stage) -> None:
        """SET within a transaction that rolls back has not happened; SET LOCAL outside one has no effect."""
        ada = database_stage.actor()
        ada.run("SET lock_timeout = '1s'")
        ada.commit()
        ada.run("SET lock_timeout = '2s'")
        ada.rollback()
        assert ada.run("SHOW lock_timeout") == [("1s",)]

    def test_deadlock_is_found(self, database_stage: Stage) -> None:
        """Of two who wait for each other, one gets an error after a second and the other goes on."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(READ + " FOR UPDATE")
        bob.run("SELECT pg_advisory_xact_lock(1)")
        first = ada.start("SELECT pg_advisory_xact_lock(1)")
        second = bob.start("UPDATE seats SET taken = 1 WHERE id = 7")
        with pytest.raises(sa.exc.OperationalError, match="deadlock detected") as call:
            first.result()
        assert code(call) == "40P01"
        assert second.result() == 1


class TestUniqueness:
    """Unique constraints, and the wait for somebody's open insert."""

    def test_second_insert_waits_then_fails(self, database_stage: Stage) -> None:
        """An insert of the same key waits for the first one's end, and fails when that commits."""
        database_stage.setup("CREATE TABLE users (name text PRIMARY KEY)")
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("INSERT INTO users VALUES ('eve')")
        second = bob.start("INSERT INTO users VALUES ('eve')")
        assert second.waits
        ada.commit()
        with pytest.raises(
            sa.exc.IntegrityError, match='duplicate key value violates unique constraint "users_pkey"'
        ) as call:
            second.result()
        assert code(call) == "23505"

    def test_second_insert_waits_then_succeeds(self, database_stage: Stage) -> None:
        """If the first insert rolls back, the second goes through."""
        database_stage.setup("CREATE TABLE users (name text PRIMARY KEY)")
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("INSERT INTO users VALUES ('eve')")
        second = bob.start("INSERT INTO users VALUES ('eve')")
        ada.rollback()
        assert second.result() == 1

    def test_on_conflict_do_nothing_waits_and_does_nothing(self, database_stage: Stage) -> None:
        """ON CONFLICT DO NOTHING waits for an open insert of the key, and then leaves it."""
        database_stage.setup("CREATE TABLE users (name text PRIMARY KEY, visits integer)")
        ada, bob = database_stage.actor(), database_stage.actor()
        add = "INSERT INTO users VALUES ('eve', 1) ON CONFLICT DO NOTHING"
        assert ada.run(add) == 1
        second = bob.start(add)
        assert second.waits
        ada.commit()
        assert second.result() == 0

    def test_on_conflict_do_update(self, database_stage: Stage) -> None:
        """PostgreSQL's own insert construct works: by columns, by the constraint's name, with a condition."""
        users = sa.Table(
            "users", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True), sa.Column("n", sa.Integer)
        )
        ada = database_stage.actor(preserve_rowcount=True)
        ada.run(lambda c: users.create(c))
        add = insert(users).values(name="eve", n=1)
        assert ada.run(lambda c: c.execute(add).rowcount) == 1
        more = {"n": users.c.n + add.excluded.n}
        upsert = add.on_conflict_do_update(index_elements=["name"], set_=more).returning(users.c.n)
        assert ada.run(lambda c: c.scalar(upsert)) == 2
        named = add.on_conflict_do_update(constraint="users_pkey", set_=more, where=users.c.n < 3).returning(users.c.n)
        assert ada.run(lambda c: c.scalar(named)) == 3
        assert ada.run(lambda c: c.scalar(named)) is None
        assert ada.run(lambda c: c.execute(add.on_conflict_do_nothing()).rowcount) == 0

    def test_numbers_are_never_given_twice(self, database_stage: Stage) -> None:
        """A serial number is not used again after a rollback or a deletion, and does not heed explicit values."""
        database_stage.setup(*JOBS)
        ada = database_stage.actor()
        new = "INSERT INTO jobs (state) VALUES ('new') RETURNING id"
        assert ada.run(new) == [(2,)]
        ada.rollback()
        assert ada.run(new) == [(3,)]
        assert ada.run("DELETE FROM jobs WHERE id = 3") == 1
        assert ada.run(new) == [(4,)]
        ada.run("INSERT INTO jobs (id, state) VALUES (5, 'new')")
        with pytest.raises(sa.exc.IntegrityError):
            ada.run(new)


class TestTransactions:
    """Errors, savepoints, commits and rollbacks."""

    def test_error_aborts_the_transaction(self, database_stage: Stage) -> None:
        """After an error every statement fails until the rollback; a commit rolls back."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        with pytest.raises(sa.exc.IntegrityError):
            ada.run("INSERT INTO seats VALUES (7)")
        with pytest.raises(sa.exc.InternalError, match="current transaction is aborted, commands ignored") as call:
            ada.run(READ)
        assert code(call) == "25P02"
        assert bob.run("UPDATE seats SET taken = 5 WHERE id = 7") == 1
        ada.commit()
        assert ada.run(READ) == [(0,)]

    def test_savepoint_saves_the_rest(self, database_stage: Stage) -> None:
        """After an error in a savepoint, rolling back to it lets the transaction go on."""
        database_stage.setup(*SEATS)
        ada = database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")

        def try_insert(connection: sa.Connection) -> str:
            try:
                with connection.begin_nested():
                    connection.execute(sa.text("UPDATE seats SET taken = 9 WHERE id = 7"))
                    connection.execute(sa.text("INSERT INTO seats VALUES (7)"))
            except sa.exc.IntegrityError:
                return "refused"
            return "inserted"

        assert ada.run(try_insert) == "refused"
        assert ada.run(READ) == [(1,)]
        ada.commit()
        assert ada.run(READ) == [(1,)]

    def test_savepoint_alone_locks_nothing(self, database_stage: Stage) -> None:
        """A savepoint takes no lock, and rolling back to it gives back what was locked after it."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("SAVEPOINT one")
        assert bob.run("UPDATE seats SET taken = 5 WHERE id = 7") == 1
        bob.commit()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        ada.run("ROLLBACK TO SAVEPOINT one")
        assert bob.run("UPDATE seats SET taken = 6 WHERE id = 7") == 1
        bob.commit()
        ada.run("UPDATE seats SET owner = 'ada' WHERE id = 7")
        ada.run("RELEASE SAVEPOINT one")
        ada.commit()
        assert ada.run("SELECT owner, taken FROM seats") == [("ada", 6)]

    def test_nested_savepoints(self, database_stage: Stage) -> None:
        """Rolling back to the outer savepoint undoes the inner one too; an unknown name is an error."""
        database_stage.setup(*SEATS)
        ada = database_stage.actor()
        for text in ("SAVEPOINT a", "UPDATE seats SET taken = 1", "SAVEPOINT b", "UPDATE seats SET taken = 2"):
            ada.run(text)
        ada.run("ROLLBACK TO b")
        assert ada.run(READ) == [(1,)]
        ada.run("ROLLBACK TO a")
        assert ada.run(READ) == [(0,)]
        with pytest.raises(sa.exc.DBAPIError, match='savepoint "b" does not exist') as call:
            ada.run("ROLLBACK TO b")
        assert code(call) == "3B001"

    def test_transaction_of_a_lost_connection_rolls_back(self, database_stage: Stage) -> None:
        """When a connection dies its writes are gone, its locks are free, and its owner gets a disconnect."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        second = bob.start("UPDATE seats SET taken = taken + 10 WHERE id = 7")
        assert second.waits
        database_stage.sever(ada)
        assert second.result() == 1
        bob.commit()
        with pytest.raises(sa.exc.OperationalError) as call:
            ada.run(READ)
        assert call.value.connection_invalidated
        ada.rollback()
        assert ada.run(READ) == [(10,)]

    def test_changes_of_the_schema_roll_back(self, database_stage: Stage) -> None:
        """CREATE TABLE and ALTER TABLE are undone with their transaction."""
        database_stage.setup(*SEATS)
        ada = database_stage.actor()
        ada.run("CREATE TABLE rows (id integer)")
        ada.run("ALTER TABLE seats ADD COLUMN price integer")
        ada.rollback()
        assert ada.run("SELECT * FROM seats") == [(7, "eve", 0)]
        with pytest.raises(sa.exc.ProgrammingError, match='relation "rows" does not exist') as call:
            ada.run("SELECT * FROM rows")
        assert code(call) == "42P01"

    def test_autocommit(self, database_stage: Stage) -> None:
        """With AUTOCOMMIT each statement is a transaction: nothing aborts, a rollback undoes nothing."""
        database_stage.setup(*SEATS)
        ada, bob = database_stage.actor(isolation_level="AUTOCOMMIT"), database_stage.actor()
        ada.run("UPDATE seats SET taken = 1 WHERE id = 7")
        assert bob.run("UPDATE seats SET taken = 2 WHERE id = 7") == 1
        bob.commit()
        with pytest.raises(sa.exc.IntegrityError):
            ada.run("INSERT INTO seats VALUES (7)")
        assert ada.run(READ) == [(2,)]
        ada.rollback()
        assert bob.run(READ) == [(2,)]

    def test_deferred_foreign_key_fails_at_commit(self, database_stage: Stage) -> None:
        """A deferred constraint is checked at COMMIT, which then rolls back."""
        database_stage.setup(
            "CREATE TABLE rooms (id integer PRIMARY KEY)",
            "CREATE TABLE beds (id integer, room integer REFERENCES rooms (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        ada = database_stage.actor()
        ada.run("INSERT INTO beds VALUES (1, 1)")
        with pytest.raises(sa.exc.IntegrityError) as call:
            ada.commit()
        assert code(call) == "23503"
        ada.rollback()
        assert ada.run("SELECT count(*) FROM beds") == [(0,)]


class TestAdvisoryLocks:
    """pg_advisory_lock and its relatives."""

    def test_session_lock_outlives_the_transaction(self, database_stage: Stage) -> None:
        """A session-level lock is kept over a commit and freed by its unlock."""
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("SELECT pg_advisory_lock(42)")
        ada.commit()
        assert bob.run("SELECT pg_try_advisory_lock(42)") == [(False,)]
        second = bob.start("SELECT pg_advisory_lock(42)")
        assert second.waits
        assert ada.run("SELECT pg_advisory_unlock(42)") == [(True,)]
        second.result()
        assert ada.run("SELECT pg_try_advisory_lock(42)") == [(False,)]

    def test_transaction_lock_ends_with_it(self, database_stage: Stage) -> None:
        """A transaction-level lock is freed at commit; the same session may take it twice."""
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(lambda c: c.execute(sa.select(sa.func.pg_advisory_xact_lock(1, 2))))
        assert ada.run("SELECT pg_try_advisory_xact_lock(1, 2)") == [(True,)]
        assert bob.run("SELECT pg_try_advisory_xact_lock(1, 2)") == [(False,)]
        assert bob.run("SELECT pg_try_advisory_xact_lock(1, 3)") == [(True,)]
        ada.commit()
        assert bob.run("SELECT pg_try_advisory_xact_lock(1, 2)") == [(True,)]

    def test_shared_locks_share(self, database_stage: Stage) -> None:
        """Shared locks go together and keep an exclusive one out."""
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("SELECT pg_advisory_lock_shared(5)")
        assert bob.run("SELECT pg_try_advisory_lock_shared(5)") == [(True,)]
        assert bob.run("SELECT pg_try_advisory_lock(5)") == [(False,)]

    def test_lock_falls_with_the_connection(self, database_stage: Stage) -> None:
        """A lost connection frees its session-level locks."""
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("SELECT pg_advisory_lock(42)")
        database_stage.sever(ada)
        assert bob.run("SELECT pg_try_advisory_lock(42)") == [(True,)]

    def test_advisory_lock_obeys_the_lock_timeout(self, database_stage: Stage) -> None:
        """lock_timeout ends the wait for an advisory lock too."""
        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run("SELECT pg_advisory_xact_lock(hashtext('cart:ada'))")
        bob.run("SET lock_timeout = '300ms'")
        with pytest.raises(sa.exc.OperationalError, match="canceling statement due to lock timeout"):
            bob.run("SELECT pg_advisory_xact_lock(hashtext('cart:ada'))")


class TestTime:
    """now(), intervals and time zones."""

    def test_now_is_the_start_of_the_transaction(self, database_stage: Stage) -> None:
        """now() stands still within a transaction, clock_timestamp() does not."""
        ada = database_stage.actor()
        first = ada.run("SELECT now(), clock_timestamp()")[0]
        ada.run("SELECT pg_sleep(0.01)")
        second = ada.run("SELECT CURRENT_TIMESTAMP, clock_timestamp()")[0]
        assert first[0] == second[0]
        assert first[1] < second[1]
        ada.commit()
        ada.run("SELECT 1")
        assert ada.run("SELECT transaction_timestamp()")[0][0] > first[0]

    def test_time_zones(self, database_stage: Stage) -> None:
        """A column with time zone returns aware moments, one without returns naive ones, now() is aware."""
        times = sa.Table(
            "times",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("zoned", sa.DateTime(timezone=True), server_default=sa.func.now()),
            sa.Column("plain", sa.DateTime, server_default=sa.func.now()),
        )
        ada = database_stage.actor()
        ada.run("SET TIME ZONE 'UTC'")
        ada.run(lambda c: times.create(c))
        ada.run(lambda c: c.execute(times.insert()))
        zoned, plain = ada.run(lambda c: c.execute(sa.select(times.c.zoned, times.c.plain)).one())
        assert zoned.utcoffset() == datetime.timedelta(0)
        assert plain == zoned.replace(tzinfo=None)
        assert ada.run("SELECT zoned, plain FROM times") == [(zoned, plain)]
        assert ada.run(lambda c: c.scalar(sa.select(sa.func.now()))) == zoned
        tokyo = datetime.datetime(2026, 1, 5, 18, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=9)))
        ada.run(lambda c: c.execute(times.update().values(zoned=tokyo, plain=datetime.datetime(2026, 1, 5))))
        found = ada.run("SELECT zoned, plain, zoned = :t FROM times", t=tokyo)
        assert found == [
            (datetime.datetime(2026, 1, 5, 9, 0, tzinfo=datetime.UTC), datetime.datetime(2026, 1, 5), True)
        ]

    def test_arithmetic(self, database_stage: Stage) -> None:
        """Intervals add up, compare, and come from text, from timedelta, and from make_interval."""
        database_stage.setup("CREATE TABLE leases (name text PRIMARY KEY, until timestamptz NOT NULL)")
        ada = database_stage.actor()
        ada.run("INSERT INTO leases VALUES ('a', now() + interval '30 seconds'), ('b', now() - interval '1 minute')")
        ada.run("INSERT INTO leases VALUES ('c', now() + :d)", d=datetime.timedelta(hours=1))
        ada.run("INSERT INTO leases VALUES ('d', now() + make_interval(secs => :s))", s=2.5)
        ada.run("INSERT INTO leases VALUES ('e', now() + :n * interval '1 second')", n=90)
        assert ada.run("SELECT name FROM leases WHERE until < now() ORDER BY name") == [("b",)]
        left = "SELECT extract(epoch from until - now())::float FROM leases ORDER BY name"
        assert ada.run(left) == [(30.0,), (-60.0,), (3600.0,), (2.5,), (90.0,)]
        leases = sa.table("leases", sa.column("name"), sa.column("until", sa.DateTime(timezone=True)))
        soon = sa.select(leases.c.name).where(leases.c.until < sa.func.now() + datetime.timedelta(seconds=31))
        assert ada.run(lambda c: sorted(c.scalars(soon))) == ["a", "b", "d"]
        span = sa.select(leases.c.until - sa.func.now()).where(leases.c.name == "a")
        assert ada.run(lambda c: c.scalar(span)) == datetime.timedelta(seconds=30)


class TestValues:
    """What goes in comes out as PostgreSQL returns it."""

    def test_types_come_back(self, database_stage: Stage) -> None:
        """Booleans, decimals, documents, dates and identifiers keep their Python types, in text queries too."""
        ada = database_stage.actor()
        ada.run(
            "CREATE TABLE things (ok boolean DEFAULT true, price numeric(10, 2), doc jsonb DEFAULT '{}'::jsonb, "
            "day date, key uuid, ratio double precision, name varchar(20))"
        )
        key = "12345678-1234-5678-1234-567812345678"
        ada.run(
            "INSERT INTO things (price, doc, day, key, ratio) VALUES (9.90, '{\"a\": [1]}', '2026-01-05', :k, 0.5)",
            k=key,
        )
        ok, price, doc, day, found, ratio, name = ada.run("SELECT * FROM things")[0]
        assert (ok, price, str(price)) == (True, Decimal("9.90"), "9.90")
        assert (doc, day, str(found), ratio, name) == ({"a": [1]}, datetime.date(2026, 1, 5), key, 0.5, None)

    def test_types_of_the_query_builder(self, database_stage: Stage) -> None:
        """SQLAlchemy's types read expressions as PostgreSQL's do."""
        things = sa.Table(
            "things",
            sa.MetaData(),
            sa.Column("id", sa.BigInteger, primary_key=True),
            sa.Column("doc", sa.JSON),
            sa.Column("price", sa.Numeric(10, 2)),
            sa.Column("kind", sa.Enum("a", "b", name="kind", native_enum=False)),
        )
        ada = database_stage.actor()
        ada.run(lambda c: things.create(c))
        many = [{"doc": {"n": n}, "price": Decimal("0.10"), "kind": "a"} for n in range(3)]
        ada.run(lambda c: c.execute(things.insert(), many))
        assert ada.run(lambda c: c.scalar(sa.select(sa.func.sum(things.c.price)))) == Decimal("0.30")
        assert ada.run(lambda c: c.scalars(sa.select(things.c.doc["n"].as_integer()).order_by(things.c.id)).all()) == [
            0,
            1,
            2,
        ]
        assert ada.run(lambda c: c.scalar(sa.select(things.c.doc).where(things.c.id == 2))) == {"n": 1}
        assert ada.run(lambda c: c.scalar(sa.select(sa.exists().where(things.c.id == 3)))) is True

    def test_nulls_come_last(self, database_stage: Stage) -> None:
        """NULL sorts after everything when ascending, before everything when descending."""
        database_stage.setup("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (2), (NULL), (1)")
        ada = database_stage.actor()
        assert ada.run("SELECT n FROM t ORDER BY n") == [(1,), (2,), (None,)]
        assert ada.run("SELECT n FROM t ORDER BY n DESC LIMIT 1") == [(None,)]

    def test_like_heeds_case(self, database_stage: Stage) -> None:
        """LIKE tells cases apart, ILIKE does not."""
        ada = database_stage.actor()
        assert ada.run("SELECT 'Ada' LIKE 'a%', 'Ada' ILIKE 'a%', 'Ada' ~ '^A'") == [(False, True, True)]

    def test_returning(self, database_stage: Stage) -> None:
        """INSERT, UPDATE and DELETE return the rows they touched."""
        database_stage.setup(*JOBS)
        ada = database_stage.actor()
        assert ada.run("INSERT INTO jobs (state) VALUES ('a'), ('b') RETURNING id") == [(2,), (3,)]
        assert ada.run("UPDATE jobs SET state = 'c' WHERE id = 2 RETURNING id, state") == [(2, "c")]
        assert ada.run("DELETE FROM jobs WHERE id > 1 RETURNING id") == [(2,), (3,)]

    def test_any_of_a_list(self, database_stage: Stage) -> None:
        """`= ANY(:ids)` takes a list."""
        database_stage.setup(*JOBS)
        assert database_stage.actor().run("SELECT id FROM jobs WHERE id = ANY(:ids)", ids=[1, 5]) == [(1,)]

    def test_objects(self, database_stage: Stage) -> None:
        """The ORM flushes, refreshes and deletes."""

        class Base(DeclarativeBase):
            pass

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(sa.String(20), unique=True)
            made: Mapped[datetime.datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())

        def act(connection: sa.Connection) -> list[str]:
            Base.metadata.create_all(connection)
            with Session(connection) as session:
                session.add_all([Item(name="tea"), Item(name="milk"), Item(name="honey")])
                session.commit()
                milk = session.scalars(sa.select(Item).where(Item.name == "milk")).one()
                session.delete(milk)
                session.commit()
                return [f"{item.id} {item.name} {item.made.utcoffset()}" for item in session.scalars(sa.select(Item))]

        ada = database_stage.actor()
        ada.run("SET TIME ZONE 'UTC'")
        ada.commit()
        assert ada.run(act) == ["1 tea 0:00:00", "3 honey 0:00:00"]

    def test_optimistic_locking(self, database_stage: Stage) -> None:
        """SQLAlchemy's version counter notices that somebody else was faster."""

        class Base(DeclarativeBase):
            pass

        class Page(Base):
            __tablename__ = "pages"
            id: Mapped[int] = mapped_column(primary_key=True)
            text: Mapped[str]
            version: Mapped[int] = mapped_column()
            __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

        ada, bob = database_stage.actor(), database_stage.actor()
        ada.run(lambda c: Base.metadata.create_all(c))
        sessions = [Session(actor.connection) for actor in (ada, bob)]
        ada.run(lambda c: (sessions[0].add(Page(text="empty")), sessions[0].commit(), c.commit()))
        pages = [actor.run(lambda c, s=s: s.get(Page, 1)) for actor, s in zip((ada, bob), sessions, strict=True)]
        for page, who in zip(pages, ("ada", "bob"), strict=True):
            page.text = who
        ada.run(lambda c: (sessions[0].commit(), c.commit()))
        with pytest.raises(StaleDataError):
            bob.run(lambda c: sessions[1].commit())

    def test_conditions_are_booleans(self, database_stage: Stage) -> None:
        """EXISTS and comparisons return booleans, not numbers."""
        database_stage.setup(*JOBS)
        ada = database_stage.actor()
        row = ada.run("SELECT EXISTS (SELECT 1 FROM jobs), count(*) > 5, pg_try_advisory_xact_lock(1), 1 FROM jobs")[0]
        assert [type(value) for value in row] == [bool, bool, bool, int]

    def test_documents_in_text(self, database_stage: Stage) -> None:
        """`->` returns a document, `->>` its text."""
        ada = database_stage.actor()
        ada.run("CREATE TABLE t (doc jsonb)")
        ada.run('INSERT INTO t VALUES (\'{"a": {"b": [1, 2]}, "n": 5}\')')
        assert ada.run("SELECT doc->'a', doc->>'n', doc->'a'->'b'->0 FROM t WHERE doc->>'n' = '5'") == [
            ({"b": [1, 2]}, "5", 1)
        ]

    def test_money_adds_up(self, database_stage: Stage) -> None:
        """Sums of numeric are exact decimals."""
        database_stage.setup("CREATE TABLE t (n numeric(8, 2))", "INSERT INTO t VALUES (0.10), (0.20), (0.70)")
        ada = database_stage.actor()
        assert str(ada.run("SELECT sum(n) FROM t WHERE n < 0.5")[0][0]) in ("0.3", "0.30")
        assert ada.run("SELECT sum(n) FROM t") == [(Decimal(1),)]


ERRORS = [
    ("SELECT count(*) FROM seats FOR UPDATE", sa.exc.NotSupportedError, "0A000", None),
    ("SELECT DISTINCT owner FROM seats FOR UPDATE", sa.exc.NotSupportedError, "0A000", None),
    ("SELECT price / 0 FROM seats", sa.exc.DataError, "22012", None),
    ("SELECT owner, count(*) FROM seats", sa.exc.ProgrammingError, "42803", None),
    ('SELECT "eve"', sa.exc.ProgrammingError, "42703", None),
    ("DROP TABLE halls", sa.exc.InternalError, "2BP01", None),
    ("ALTER TABLE seats ADD COLUMN row text NOT NULL", sa.exc.IntegrityError, "23502", None),
    ("INSERT INTO seats VALUES (7, 1, 'a')", sa.exc.IntegrityError, "23505", "seats_pkey"),
    ("INSERT INTO seats VALUES (8, 1, 'eve')", sa.exc.IntegrityError, "23505", "seats_owner_key"),
    ("INSERT INTO seats VALUES (8, 1, NULL)", sa.exc.IntegrityError, "23502", None),
    ("INSERT INTO seats (owner) VALUES ('x')", sa.exc.IntegrityError, "23502", None),
    ("INSERT INTO seats VALUES (8, 1, 'abcdefghijk')", sa.exc.DataError, "22001", None),
    ("INSERT INTO seats VALUES (8, 9, 'x')", sa.exc.IntegrityError, "23503", "seats_hall_fkey"),
    ("INSERT INTO seats VALUES (-1, 1, 'x')", sa.exc.IntegrityError, "23514", "positive"),
    ("UPDATE seats SET price = -1", sa.exc.IntegrityError, "23514", "seats_price_check"),
    ("DELETE FROM halls", sa.exc.IntegrityError, "23503", "seats_hall_fkey"),
    ("INSERT INTO seats VALUES (3000000000, 1, 'x')", sa.exc.DataError, "22003", None),
    ("INSERT INTO seats VALUES (8, 1, 'x', 'many')", sa.exc.DataError, "22P02", None),
    ("SELECT * FROM nowhere", sa.exc.ProgrammingError, "42P01", None),
    ("SELECT missing FROM seats", sa.exc.ProgrammingError, "42703", None),
    ("SELEC 1", sa.exc.ProgrammingError, "42601", None),
    ("SELECT nofunction(1)", sa.exc.ProgrammingError, "42883", None),
    ("SELECT strftime('%s', now())", sa.exc.ProgrammingError, "42883", None),
    ("CREATE TABLE seats (id integer)", sa.exc.ProgrammingError, "42P07", None),
    ("CREATE INDEX by_owner ON seats (owner)", sa.exc.ProgrammingError, "42P07", None),
    ("ALTER TABLE seats ADD COLUMN owner text", sa.exc.ProgrammingError, "42701", None),
    ("INSERT OR IGNORE INTO halls VALUES (1)", sa.exc.ProgrammingError, "42601", None),
    ("INSERT INTO seats VALUES (7, 1, 'a') ON CONFLICT (price) DO NOTHING", sa.exc.ProgrammingError, "42P10", None),
]


@pytest.mark.parametrize(("statement", "kind", "state", "constraint"), ERRORS, ids=[row[0] for row in ERRORS])
def test_errors(
    database_stage: Stage, statement: str, kind: type[Exception], state: str, constraint: str | None
) -> None:
    """An error has PostgreSQL's SQLSTATE, SQLAlchemy's class, and the constraint's name."""
    database_stage.setup(
        "CREATE TABLE halls (id integer PRIMARY KEY)",
        "CREATE TABLE seats (id integer PRIMARY KEY CONSTRAINT positive CHECK (id > 0), "
        "hall integer REFERENCES halls (id), owner varchar(10) NOT NULL UNIQUE, price integer CHECK (price >= 0))",
        "CREATE INDEX by_owner ON seats (owner)",
        "INSERT INTO halls VALUES (1)",
        "INSERT INTO seats VALUES (7, 1, 'eve', 5)",
    )
    with pytest.raises(kind) as call:
        database_stage.actor().run(statement.replace(":", "\\:"))
    assert code(call) == state
    assert call.value.orig.diag.constraint_name == constraint  # type: ignore[attr-defined]


def test_pool_times_out(database_stage: Stage) -> None:
    """An exhausted pool raises TimeoutError after `pool_timeout`, in SQLAlchemy's words."""
    engine = database_stage.make(pool_size=1, max_overflow=1, pool_timeout=0.4)
    ada = database_stage.actor()

    def exhaust(_: sa.Connection) -> None:
        kept = [engine.connect(), engine.connect()]
        try:
            engine.connect()
        finally:
            for connection in kept:
                connection.close()

    with pytest.raises(sa.exc.TimeoutError, match="QueuePool limit of size 1 overflow 1 reached, connection timed out"):
        ada.run(exhaust)


def test_raw_cursor(database_stage: Stage) -> None:
    """The driver's own connection and psycopg's placeholders work, and obey the same rules."""
    database_stage.setup(*SEATS)

    def act(connection: sa.Connection) -> list[tuple[int]]:
        raw = connection.engine.raw_connection()
        cursor = raw.cursor()
        cursor.execute("UPDATE seats SET taken = %s WHERE id = %s", (3, 7))
        cursor.execute("SELECT taken FROM seats WHERE id = %(id)s", {"id": 7})
        rows = cursor.fetchall()
        raw.rollback()
        raw.close()
        return [tuple(row) for row in rows]

    ada = database_stage.actor()
    assert ada.run(act) == [(3,)]
    assert ada.run(READ) == [(0,)]


def test_reflection(database_stage: Stage) -> None:
    """Inspectors find tables, columns, their types and keys."""
    database_stage.setup(
        "CREATE TABLE seats (id serial PRIMARY KEY, at timestamptz, doc jsonb, name varchar(20) NOT NULL)"
    )

    def act(connection: sa.Connection) -> tuple[bool, list[tuple[str, str, bool]], list[str]]:
        inspector = sa.inspect(connection)
        columns = [(c["name"], type(c["type"]).__name__, c["nullable"]) for c in inspector.get_columns("seats")]
        return inspector.has_table("nowhere"), columns, inspector.get_pk_constraint("seats")["constrained_columns"]

    found, columns, key = database_stage.actor().run(act)
    assert not found
    assert columns[1:3] == [("at", "TIMESTAMP", True), ("doc", "JSONB", True)]
    assert [(name, nullable) for name, _, nullable in columns] == [
        ("id", False),
        ("at", True),
        ("doc", True),
        ("name", False),
    ]
    assert key == ["id"]


def test_a_column_comes_again(database_stage: Stage) -> None:
    """Who has seen a column that somebody else then dropped may add it once more."""
    database_stage.setup("CREATE TABLE seats (id integer PRIMARY KEY, owner text)")
    ada, bob = database_stage.actor(), database_stage.actor()
    assert ada.run("SELECT owner FROM seats") == []
    ada.commit()
    bob.run("ALTER TABLE seats DROP COLUMN owner")
    bob.commit()
    ada.run("ALTER TABLE seats ADD COLUMN owner text")
    ada.commit()
    assert bob.run("SELECT id, owner FROM seats") == []


def test_split_part(database_stage: Stage) -> None:
    """A field of a text is counted from 1, from the end where it is negative, and empty where there is none."""
    ada = database_stage.actor()
    fields = (
        "split_part('A-7', '-', 1), split_part('A-7', '-', 2), split_part('A-7', '-', 3), split_part('A-7', '-', -1)"
    )
    assert ada.run(f"SELECT {fields}, split_part(NULL, '-', 1)") == [("A", "7", "", "7", None)]
    with pytest.raises(sa.exc.DataError, match="field position must not be zero"):
        ada.run("SELECT split_part('A-7', '-', 0)")


def test_a_change_that_begins_with_with(database_stage: Stage) -> None:
    """It says how many rows it has changed, and is there after the COMMIT."""
    database_stage.setup(*SEATS)
    ada, bob = database_stage.actor(), database_stage.actor()
    change = "WITH one AS (SELECT id FROM seats) UPDATE seats SET taken = 5 WHERE id IN (SELECT id FROM one)"
    assert ada.run(change) == 1
    ada.commit()
    assert bob.run(READ) == [(5,)]
    assert ada.run(f"{change} AND taken <> 5") == 0
