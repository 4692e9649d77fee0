// SPDX-License-Identifier: Apache-2.0
// Small JPEGs of the sources that somebody looks at, encoded once whatever the number of viewers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "serve/service.hpp"

namespace faceflow::internal::serve {

struct preview {
    frame_pointer of;
    std::string jpeg;  // at most 960 pixels wide
};
using preview_pointer = std::shared_ptr<const preview>;

// Thread-safe. Frames that come while one is encoded replace each other. Sources whose pictures are on a device alone
// have no previews.
class preview_encoder {
public:
    // The service outlives it.
    explicit preview_encoder(service& of);
    ~preview_encoder();
    preview_encoder(const preview_encoder&) = delete;

    // `viewer` gets the previews of a source from now on, on the encoder's thread: it must return quickly. Once leave
    // has returned, it is not called any more.
    using viewer = std::function<void(const preview_pointer&)>;
    [[nodiscard]] std::uint64_t look_at(std::string source, viewer v);
    void leave(std::uint64_t which);

private:
    struct look {
        std::string source;
        viewer show;
    };
    void take(const frame_pointer& f);
    void run(const std::stop_token& stop);
    void show(const preview_pointer& p);

    service& of_;
    std::mutex mutex_;  // of what waits
    std::condition_variable_any changed_;
    std::map<std::string, frame_pointer> waiting_;  // by source
    std::map<std::string, int> viewers_;            // how many, by source
    std::mutex looks_mutex_;
    std::uint64_t next_ = 1;
    std::map<std::uint64_t, look> looks_;
    std::uint64_t observer_ = 0;
    std::jthread thread_;
};

}  // namespace faceflow::internal::serve
