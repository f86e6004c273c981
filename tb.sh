. /tmp/c/lead/env.sh
B=".venv/bin/python manage.py benchmark --engines duckdb-hnsw faiss-hnsw-sq8 millwright --search-types vector --filters none --clients 1 --passes 1 --parallel --workers 2"
time $B --scales 10000 --dimensions 128 256 512 1024 --timed-builds 3 --name builds-10000
time $B --scales 100000 --dimensions 128 --timed-builds 3 --name builds-100000
date
