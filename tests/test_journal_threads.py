"""The journal under several writers of one process."""

from concurrent.futures import ThreadPoolExecutor

from evalkit.stored.journal import Journal, read


def test_records_of_threads_that_write_together_make_one_chain(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.append("sample", {"number": n, "text": "x" * 5000}), range(200)))
    journal.close()
    records = list(read(path))
    assert [r.n for r in records] == list(range(200))
    assert {r.data["number"] for r in records} == set(range(200))
