. /tmp/c/lead/env.sh
nice -n 19 .venv/bin/python manage.py benchmark --engines duckdb-hnsw faiss-hnsw-sq8 millwright --scales 10000 100000 --dimensions 128 256 --search-types vector hybrid --filters none 0.1 --clients 1 2 --passes 3 --parallel --workers 2 --only-builds --name memory
date
