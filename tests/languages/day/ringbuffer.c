#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct ring {
    int *values;
    size_t capacity;
    size_t start;
    size_t length;
};

struct ring *ring_new(size_t capacity)
{
    struct ring *ring = malloc(sizeof(*ring));
    if (ring == NULL)
        return NULL;
    ring->values = calloc(capacity, sizeof(int));
    if (ring->values == NULL) {
        free(ring);
        return NULL;
    }
    ring->capacity = capacity;
    ring->start = 0;
    ring->length = 0;
    return ring;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    free(ring->values);
    free(ring);
}

bool ring_push(struct ring *ring, int value)
{
    if (ring->length == ring->capacity)
        return false;
    size_t end = (ring->start + ring->length) % ring->capacity;
    ring->values[end] = value;
    ring->length++;
    return true;
}

bool ring_pop(struct ring *ring, int *value)
{
    if (ring->length == 0)
        return false;
    *value = ring->values[ring->start];
    ring->start = (ring->start + 1) % ring->capacity;
    ring->length--;
    return true;
}

long ring_sum(const struct ring *ring)
{
    long sum = 0;
    for (size_t i = 0; i < ring->length; i++)
        sum += ring->values[(ring->start + i) % ring->capacity];
    return sum;
}
