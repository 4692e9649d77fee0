#include "frame/distributor.hpp"

namespace faceflow {

std::string_view name(admission a) noexcept {
    switch (a) {
        case admission::accepted: return "accepted";
        case admission::out_of_order: return "out_of_order";
        case admission::foreign_source: return "foreign_source";
    }
    return "unknown";
}

std::string_view name(queue_policy policy) noexcept {
    switch (policy) {
        case queue_policy::latest: return "latest";
        case queue_policy::fifo: return "fifo";
        case queue_policy::block: return "block";
    }
    return "unknown";
}

admission sequence_gate::admit(const frame_id& id) noexcept {
    if (id.source != source_) {
        ++counts_.foreign_source;
        return admission::foreign_source;
    }
    if (id.sequence < next_) {
        ++counts_.out_of_order;
        return admission::out_of_order;
    }
    if (id.sequence > next_) {
        ++counts_.gaps;
        counts_.missing += id.sequence - next_;
    }
    next_ = id.sequence + 1;
    ++counts_.accepted;
    return admission::accepted;
}

}  // namespace faceflow
