//! A queue whose elements can be removed from anywhere in constant time.

/// A doubly linked list. Its nodes are in one vector and are reused.
pub(super) struct LinkedQueue<T> {
    nodes: Vec<Node<T>>,
    first: Option<usize>,
    last: Option<usize>,
    /// The head of the list of free nodes.
    free: Option<usize>,
    len: usize,
    #[cfg(test)]
    steps: usize,
}

struct Node<T> {
    value: Option<T>,
    previous: Option<usize>,
    next: Option<usize>,
    /// How often the node was reused. It tells a stale position apart.
    generation: u64,
}

/// A position in a queue. It becomes stale when its element is removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    node: usize,
    generation: u64,
}

impl<T> Default for LinkedQueue<T> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            first: None,
            last: None,
            free: None,
            len: 0,
            #[cfg(test)]
            steps: 0,
        }
    }
}

impl<T> LinkedQueue<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends an element.
    pub(super) fn push_back(&mut self, value: T) -> Position {
        let last = self.last;
        let at = self.add(value, last, None);
        self.link(last, Some(at));
        self.link(Some(at), None);
        self.position(at)
    }

    /// Puts an element in front.
    pub(super) fn push_front(&mut self, value: T) -> Position {
        let first = self.first;
        let at = self.add(value, None, first);
        self.link(None, Some(at));
        self.link(Some(at), first);
        self.position(at)
    }

    /// Removes the first element.
    pub(super) fn pop_front(&mut self) -> Option<T> {
        let first = self.first?;
        self.take(first)
    }

    /// Removes the element at this position, if it is still there.
    pub(super) fn remove(&mut self, position: Position) -> Option<T> {
        let is_current = self.nodes.get(position.node)?.generation == position.generation;
        if is_current {
            self.take(position.node)
        } else {
            None
        }
    }

    fn position(&mut self, node: usize) -> Position {
        let generation = self.node(node).generation;
        Position { node, generation }
    }

    fn add(&mut self, value: T, previous: Option<usize>, next: Option<usize>) -> usize {
        self.len += 1;
        let value = Some(value);
        if let Some(at) = self.free {
            let node = self.node(at);
            let next_free = node.next;
            *node = Node {
                value,
                previous,
                next,
                generation: node.generation,
            };
            self.free = next_free;
            return at;
        }
        self.nodes.push(Node {
            value,
            previous,
            next,
            generation: 0,
        });
        self.nodes.len() - 1
    }

    fn take(&mut self, at: usize) -> Option<T> {
        let free = self.free;
        let node = self.node(at);
        let value = node.value.take()?;
        let (previous, next) = (node.previous, node.next);
        node.generation += 1;
        node.next = free;
        self.free = Some(at);
        self.link(previous, next);
        self.len -= 1;
        Some(value)
    }

    /// Makes two neighbours, or one of them the first or last.
    fn link(&mut self, previous: Option<usize>, next: Option<usize>) {
        match previous {
            Some(previous) => self.node(previous).next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => self.node(next).previous = previous,
            None => self.last = previous,
        }
    }

    fn node(&mut self, at: usize) -> &mut Node<T> {
        #[cfg(test)]
        {
            self.steps += 1;
        }
        &mut self.nodes[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> LinkedQueue<T> {
        /// How many nodes were touched since the last call.
        pub(in crate::store::postgres::batch) fn steps(&mut self) -> usize {
            std::mem::take(&mut self.steps)
        }
    }

    fn all(queue: &mut LinkedQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop_front()).collect()
    }

    #[test]
    fn they_come_out_in_the_order_of_their_places() {
        let mut queue = LinkedQueue::default();
        for value in 0..3 {
            queue.push_back(value);
        }
        for value in [10, 11] {
            queue.push_front(value);
        }
        assert_eq!(queue.len(), 5);
        assert_eq!(all(&mut queue), [11, 10, 0, 1, 2]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_place_is_left_from_anywhere_and_once() {
        for left in 0..4 {
            let mut queue = LinkedQueue::default();
            let taken: Vec<_> = (0..4).map(|value| queue.push_back(value)).collect();
            let position = taken[usize::try_from(left).unwrap()];
            assert_eq!(queue.remove(position), Some(left));
            assert_eq!(queue.remove(position), None);
            // Another one has the node now.
            queue.push_back(9);
            assert_eq!(queue.remove(position), None);
            let rest: Vec<_> = (0..4).filter(|value| *value != left).chain([9]).collect();
            assert_eq!(all(&mut queue), rest);
        }
    }

    #[test]
    fn nodes_are_used_again() {
        let mut queue = LinkedQueue::default();
        for value in 0..100 {
            let position = queue.push_back(value);
            queue.push_front(value);
            queue.remove(position);
            queue.pop_front();
        }
        assert_eq!(queue.nodes.len(), 2);
    }
}
