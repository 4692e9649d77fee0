#include "share/slab_book.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace faceflow::share {
namespace {

// Another open file of the same memory: through a duplicate of the writable one a client could write.
result<unique_fd> reopen_read_only(const unique_fd& memory) {
    unique_fd opened(::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (opened) return opened;
    return fail(errc::io, fmt::format("frame memory cannot be opened for reading alone: {}; is /proc mounted?",
                                      std::strerror(errno)));
}

}  // namespace

result<slab_book::slot_number> slab_book::find(const lease& of) {
    auto named = exported_.name_of(of);
    if (!named) return tl::unexpected(std::move(named.error()));
    if (auto r = catch_up(); !r) return tl::unexpected(std::move(r.error()));
    return slot_number{named->slab, named->slot};
}

result<void> slab_book::catch_up() {
    std::uint64_t mark = read_;
    for (const auto& news : exported_.since(mark)) {
        const auto& f = news.facts;
        entry e{{f.number, f.slots, f.slot_bytes, f.where.offset, f.where.kind, {}}, nullptr};
        if (f.where.kind == device_kind::cuda) {
            return fail(errc::unsupported,
                        "frames in CUDA memory cannot be shared with programs that are not faceflow's "
                        "own: CUDA knows no read-only imports; share from --device cpu");
        }
        if (news.memory != nullptr) {
            auto opened = reopen_read_only(*news.memory);
            if (!opened) return tl::unexpected(std::move(opened.error()));
            e.memory = std::make_shared<const unique_fd>(std::move(*opened));
        } else {
            for (entry& came : entries_) {
                if (came.facts.number == f.number) came.memory = nullptr;
            }
        }
        entries_.push_back(std::move(e));
        ++read_;
    }
    return {};
}

}  // namespace faceflow::share
