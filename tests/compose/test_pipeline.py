"""
Twenty uploads through the published ports of the containers: the facts of tests/e2e, told by its own tests.

Signals, edges, RED, exemplars and Jaeger's monitor: each test is imported as it is, for the pipeline here.
"""

from e2e.test_pipeline import (  # noqa: F401  pytest collects what is here
    test_edge_list,
    test_one_root_and_no_orphan,
    test_signal_matrix,
    test_strangers_context_is_only_linked,
    test_the_waterfall_is_the_designed_one,
    test_uploads_end_as_they_must,
)
from e2e.test_prometheus import (  # noqa: F401
    test_an_exemplar_opens_its_trace,
    test_calls_equal_the_known_truth,
    test_every_target_is_up,
    test_jaeger_monitors_each_service,
    test_nothing_is_counted_twice,
    test_the_depth_of_each_queue_is_known,
)
