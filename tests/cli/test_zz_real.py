import sys; sys.path.insert(0,"/work/main/tests/cli")
from test_ws_dump_db import *
@pytest.fixture
def backend(mariadb): return mariadb
def test_real(backend, dumped):
    url, sql = dumped
    print([l for l in sql.read_text().splitlines() if "ticket" in l])
    restored = backend.new_database()
    restore(backend.server, restored, sql)
    for target in (url, restored):
        with connected(target) as connection:
            connection.exec_driver_sql("DELETE FROM note WHERE id = 4")
            connection.exec_driver_sql("INSERT INTO note (body, mood) VALUES ('new', 'sad')")
        print(contents(target)[0][-1])
