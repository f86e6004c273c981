"""The numbers behind a promotion: metrics, paired intervals, the gate and stable digests."""
