"""What a study is made of, without a framework: targets, searching, proof."""
