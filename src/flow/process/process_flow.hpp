// The flows of several processes. The two ends, capture and sink, are in this one; what is between them runs in stage
// processes, started with the flow and started again when they die. See process_line.hpp for what tells them apart.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::flow {

// As the analysis found it: everything through sockets, pageable memory, a face at a time, each stage uploading what it needs.
[[nodiscard]] result<std::unique_ptr<flow>> make_copied_flow(const flow_parts& parts);
// As the analysis recommends: detect and region around one frame cache, crops batched and pinned.
[[nodiscard]] result<std::unique_ptr<flow>> make_cached_flow(const flow_parts& parts);
// A frame's bytes never move after the upload: processes map the memory once and pass names of slots.
[[nodiscard]] result<std::unique_ptr<flow>> make_shared_flow(const flow_parts& parts);

}  // namespace faceflow::flow
