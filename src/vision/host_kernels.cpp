#include <algorithm>
#include <vector>

#include "vision/kernels.hpp"
#include "vision/mesh_data.hpp"
#include "vision/sample.hpp"

namespace faceflow::vision {
namespace {

std::vector<pose_anchor> canonical_anchors() {
    const auto vertices = mesh::canonical_vertices();
    std::vector<pose_anchor> anchors;
    for (const auto& w : mesh::procrustes_basis()) {
        const auto& v = vertices[static_cast<std::size_t>(w.index)];
        anchors.push_back({w.index, w.weight, v[0], v[1], v[2]});
    }
    return anchors;
}

// Runs the block functions with a single thread, on the address at which a kernel reaches device memory.
class host_kernels final : public kernels {
public:
    explicit host_kernels(device& on) : device_(on), anchors_(canonical_anchors()) {}

    void letterbox(stream& on, const image& picture, const faceflow::vision::letterbox& fit,
                   const tensor_target& target) override {
        on.run([source = source_of(picture), fit, target = mapped(target)]() -> result<void> {
            sample_letterbox(source, fit, target);
            return {};
        });
    }

    void detect(stream& on, const detector_output& output, const detect_options& options, detect_scratch* scratch,
                detection_set* faces) override {
        detector_output o = output;
        for (std::int32_t i = 0; i < o.levels; ++i) {
            o.level[i].scores = mapped(o.level[i].scores);
            o.level[i].boxes = mapped(o.level[i].boxes);
            o.level[i].keypoints = mapped(o.level[i].keypoints);
        }
        on.run([o, options, scratch = mapped(scratch), faces = mapped(faces)]() -> result<void> {
            detect_faces(serial_block{}, o, options, scratch, faces);
            return {};
        });
    }

    void carry(stream& on, const result_block* before, float min_presence, float region_scale,
               detection_set* faces) override {
        on.run([before = mapped(before), min_presence, region_scale, faces = mapped(faces)]() -> result<void> {
            carry_faces(*before, min_presence, region_scale, faces);
            return {};
        });
    }

    void crop(stream& on, const image& picture, const detection_set* faces, std::int32_t first,
              const crop_target& target) override {
        on.run([source = source_of(picture), faces = mapped(faces), first, t = target,
                data = mapped(target.data)]() -> result<void> {
            const std::int32_t n = std::min(faces->count - first, t.capacity);
            for (std::int32_t i = 0; i < n; ++i) {
                const tensor_target out{data + static_cast<std::ptrdiff_t>(i) * 3 * t.size * t.size, t.size, t.size, 1,
                                        0};
                sample(source, frame_from_region(faces->items()[first + i].area, static_cast<float>(t.size)), out);
            }
            return {};
        });
    }

    void finish(stream& on, const detection_set* faces, std::int32_t first, std::int32_t capacity,
                const mesh_output& mesh, const mesh_options& options, result_block* results) override {
        on.run([this, faces = mapped(faces), first, capacity, landmarks = mapped(mesh.landmarks),
                scores = mapped(mesh.scores), options, results = mapped(results)]() -> result<void> {
            const pose_basis basis{anchors_.data(), static_cast<std::int32_t>(anchors_.size())};
            const std::int32_t n = std::clamp(faces->count - first, 0, capacity);
            begin_results(*faces, first, n, results);
            for (std::int32_t i = 0; i < n; ++i) {
                finish_face(faces->items()[first + i], landmarks + static_cast<std::ptrdiff_t>(i) * landmark_count * 3,
                            scores[i], basis, options, results->records() + first + i);
            }
            return {};
        });
    }

private:
    template <class T>
    T* mapped(T* device_address) const {
        auto* bytes = reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<T>*>(device_address));
        return bytes == nullptr ? nullptr : reinterpret_cast<T*>(device_.kernel_address(bytes));
    }
    tensor_target mapped(tensor_target t) const {
        t.data = mapped(t.data);
        return t;
    }
    sampling_source source_of(image picture) const {
        for (auto& p : picture.planes)
            p.data = mapped(p.data);
        return make_sampling_source(picture);
    }

    device& device_;
    const std::vector<pose_anchor> anchors_;
};

}  // namespace

std::unique_ptr<kernels> make_host_kernels(device& on) {
    return std::make_unique<host_kernels>(on);
}

}  // namespace faceflow::vision
